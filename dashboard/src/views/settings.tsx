import { useState } from 'preact/hooks';
import { pathId } from '../api/ids';
import { usePage } from '../lib/context';
import { navigate } from '../lib/hash';
import { useLoad } from '../lib/load';
import { loadPolicy } from '../lib/policy';
import { Channels } from '../parts/channels';
import { Heading } from '../parts/heading';
import { Show } from '../parts/loaded';
import { PolicyEditor } from '../parts/policy-editor';
import { text } from '../texts';

/** The policy for all customers, or that of one. */
export function SettingsView({ customer }: { customer?: string }) {
  const { client } = usePage();
  const loaded = useLoad((signal) => loadPolicy(client, customer, signal), [customer]);
  return (
    <>
      <Heading title={customer === undefined ? text.settings.forAll : text.settings.forOne(customer)} />
      {customer === undefined ? <OpenCustomer /> : <p><a href="#/settings">{text.settings.back}</a></p>}
      <p class="quiet">{text.settings.explain}</p>
      <Show of={loaded}>{(stored) => <PolicyEditor key={customer ?? ''} first={stored} customer={customer} />}</Show>
      {customer === undefined && <Channels />}
    </>
  );
}

function OpenCustomer() {
  const [id, setId] = useState('');
  const open = (event: Event) => {
    event.preventDefault();
    if (id.trim()) navigate(`/settings/${pathId(id.trim())}`);
  };
  return (
    <form class="inline-form" onSubmit={open}>
      <label class="field">
        {text.settings.open}
        <input type="text" placeholder={text.settings.customerId} value={id} onInput={(event) => setId(event.currentTarget.value)} />
      </label>
      <button type="submit">{text.settings.show}</button>
    </form>
  );
}
