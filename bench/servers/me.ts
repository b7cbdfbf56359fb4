/** What a `me` of constants answers: as long as what Castellan answers. */
export const me = {
  id: 'usr_01jd2k3m4n5p6q7r8s9t0v1w2x',
  email: '0123456789ab@example.com',
  name: 'Bob',
  status: 'active',
  createdAt: '2030-01-31T12:00:00.000Z',
};

export const typeDefs = `
  scalar DateTime
  enum UserStatus { active disabled }
  type User { id: ID! email: String! name: String! status: UserStatus! createdAt: DateTime! }
  type Query { me: User }
`;

export const resolvers = { Query: { me: () => me } };
