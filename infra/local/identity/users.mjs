// The users of the local cloud: a name, a password, the scopes that the user has, and perhaps the only customer that the user sees.

import { createHash, timingSafeEqual } from 'node:crypto';

export class Users {
  #users;

  constructor(users) {
    this.#users = new Map(Object.entries(users));
  }

  hasPassword(name, password) {
    const user = this.#users.get(name);
    // An unknown name takes as long as a wrong password.
    const isRight = timingSafeEqual(digest(password), digest(user?.password ?? ''));
    return isRight && Boolean(user?.password);
  }

  scopes(name) {
    return this.#users.get(name)?.scopes ?? [];
  }

  // What every token of the user says beside its name and scopes.
  claims(name) {
    const customer = this.#users.get(name)?.customer_id;
    return customer ? { customer_id: customer } : {};
  }

  account(name) {
    if (!this.#users.has(name)) return undefined;
    return { accountId: name, claims: () => ({ sub: name, name, preferred_username: name, ...this.claims(name) }) };
  }
}

function digest(text) {
  return createHash('sha256').update(text).digest();
}
