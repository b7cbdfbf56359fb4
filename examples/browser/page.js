import { createLiveAbility } from 'castellan/client';

const byId = (id) => document.getElementById(id);
const form = byId('sign-in');

let accessToken = '';
let refreshToken = '';

function say(text) {
  byId('message').textContent = text;
}

/** One GraphQL operation. Throws the first error, with its `code`. */
async function ask(query, variables = {}) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(accessToken !== '' && { authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors?.length > 0) throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions?.code });
  return data;
}

async function refresh() {
  // The token that has run out would be refused before anything else.
  accessToken = '';
  const { refreshSession } = await ask(
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }',
    { token: refreshToken },
  );
  ({ accessToken, refreshToken } = refreshSession);
}

/** The user as rules see it: `roles` are names there. */
async function loadUser(id) {
  const { user } = await ask('query ($id: ID!) { user(id: $id) { __typename id name roles { name } } }', { id });
  return user && { ...user, roles: (user.roles ?? []).map(({ name }) => name) };
}

async function signIn(email, password) {
  const { signIn } = await ask(
    `mutation ($input: SignInInput!) {
      signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } user { name } } }
    }`,
    { input: { email, password } },
  );
  ({ accessToken, refreshToken } = signIn);
  byId('me').textContent = signIn.user.name;
  const user = await loadUser(new URLSearchParams(location.search).get('user') ?? '');
  byId('user').textContent = user?.name ?? 'Name a user in the address: ?user=…';

  const live = createLiveAbility({
    url: `${location.origin.replace('http', 'ws')}/graphql`,
    accessToken: () => accessToken,
    refresh,
    onEnded(code, reason) {
      document.body.classList.add('dark');
      say(`${code}: ${reason}`);
    },
  });
  live.subscribe(() => {
    byId('state').textContent = live.state;
    byId('disable').disabled = user === null || live.ability.cannot('disable', user);
  });
  byId('disable').addEventListener('click', () => {
    const disabled = ask('mutation ($id: ID!) { disableUser(id: $id) { user { id } } }', { id: user.id });
    disabled.then(
      () => say(`${user.name} is disabled.`),
      (error) => say(error.message),
    );
  });
  form.hidden = true;
  document.querySelector('main').hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  signIn(email, password).catch((error) => say(error.message));
});
