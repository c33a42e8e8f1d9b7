// The few pages of the provider. They have no script but one, which ends a session that the dashboard asked to end.

import { createHash } from 'node:crypto';

const LARGEST_FORM = 4096;
const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 20rem; padding: 0 1rem; color-scheme: light dark }
label { display: block; margin: 0 0 1rem } input { box-sizing: border-box; display: block; font: inherit; padding: .4rem; width: 100% }
button { font: inherit; padding: .4rem 1rem } [role=alert] { color: #b3261e }`;
const SUBMIT = 'document.forms[0].submit()';
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
// Without `form-action`: browsers would also refuse the redirect to the dashboard that answers the form.
const POLICY = `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SUBMIT)}; frame-ancestors 'none'; base-uri 'none'`;

export function loginPage(name = '', problem = '') {
  return page('Sign in', `
<h1>Sign in to MeterFlow</h1>
${problem && `<p role="alert">${escaped(problem)}</p>`}
<form method="post">
<label>User <input name="user" value="${escaped(name)}" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>
</form>`);
}

export function messagePage(title, text) {
  return page(title, `<h1>${escaped(title)}</h1><p>${escaped(text)}</p>`);
}

// The form is the provider's own. It is sent without a click if the request proves to come from the page that the user signed in to.
export function signingOutPage(context, form) {
  context.set('content-security-policy', POLICY);
  const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"><button>Sign out</button></form>');
  return page('Signing out', `<h1>Signing out</h1>${confirmed}${context.oidc.entities.IdTokenHint ? `<script>${SUBMIT}</script>` : ''}`);
}

export function sendPage(response, status, text) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'content-security-policy': POLICY,
    'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

export async function readForm(request) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > LARGEST_FORM) throw new Error('the form is too large');
  }
  return new URLSearchParams(text);
}

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style><main>${body}</main></html>`;
}

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
