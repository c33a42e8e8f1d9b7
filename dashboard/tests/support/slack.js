// Slack's side: the receiver of messages, and clicks on their buttons, signed as Slack signs them.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { address, setting } from './dashboard.js';

const SECRETS = JSON.parse(readFileSync(new URL('../../../tests/channels.json', import.meta.url), 'utf8')).secrets;

/** Takes the messages of the channel and the answers to clicks. */
export async function openSlack() {
  const taken = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    taken.push({ path: request.url, message: JSON.parse(body || 'null') });
    response.end('ok');
  });
  await new Promise((done, failed) => server.once('error', failed).listen(Number(setting('DASHBOARD_RECEIVER_PORT')), '127.0.0.1', done));
  return {
    /** Waits for a message that fits, 40 seconds at most. */
    async message(what, fits) {
      for (let attempt = 0; attempt < 200; attempt += 1) {
        const found = taken.find(({ message }) => message && fits(message));
        if (found) return found.message;
        await new Promise((done) => setTimeout(done, 200));
      }
      throw new Error(`no message came: ${what}. Came: ${taken.map(({ message }) => message?.text ?? '').join(' | ')}`);
    },
    responseUrl: `http://127.0.0.1:${setting('DASHBOARD_RECEIVER_PORT')}/actions/T1/2/3`,
    close: () => new Promise((done) => server.close(done)),
  };
}

/** Whether a message is about a customer. */
export const isAbout = (customer) => (message) => JSON.stringify(message).includes(`Customer: ${customer}"`);

/** The address that the message leads to. */
export function linkIn(message) {
  const [, link] = JSON.stringify(message).match(/<(http[^|>]+)\|Open the incident>/) ?? [];
  return link?.replaceAll('&amp;', '&');
}

/** Sends a click on a button of a message. The secret is that of the app unless another one is given. */
export async function click(message, button, responseUrl, { secret = SECRETS.slack_signing, at = Date.now() } = {}) {
  // Slack gives each block an id.
  const blocks = message.blocks.map((block, number) => ({ ...block, block_id: `b${number}` }));
  const block = blocks.find(({ type }) => type === 'actions');
  const action = { ...block.elements.find(({ action_id }) => action_id === button), block_id: block.block_id };
  const payload = {
    type: 'block_actions', team: { id: 'T1' }, user: { id: 'U012AB3CD', username: 'ada', team_id: 'T1' },
    actions: [action], response_url: responseUrl, message: { ...message, blocks, ts: '1503435956.000247' },
  };
  const body = `payload=${encodeURIComponent(JSON.stringify(payload))}`;
  const time = String(Math.floor(at / 1000));
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${time}:${body}`).digest('hex')}`;
  return fetch(new URL('slack/actions', address()), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-slack-request-timestamp': time, 'x-slack-signature': signature },
    body,
  });
}
