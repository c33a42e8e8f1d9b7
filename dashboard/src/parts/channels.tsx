import type { Schemas } from '../api/client';
import { dataOf } from '../api/failure';
import { usePage } from '../lib/context';
import { countOf } from '../lib/count';
import { duration } from '../lib/format';
import { useLoad } from '../lib/load';
import { text } from '../texts';
import { Show } from './loaded';
import { Time } from './time';

/** The channels and how they are doing, and which alerts go to which. Terraform changes them. */
export function Channels() {
  const { client } = usePage();
  const loaded = useLoad((signal) => dataOf(client.GET('/v1/channels', { signal })), []);
  return (
    <section class="card">
      <h2>{text.channels.title}</h2>
      <p class="quiet">{text.channels.explain}</p>
      <Show of={loaded}>
        {({ channels, routes }) => (channels.length === 0 ? <p>{text.channels.none}</p> : (
          <>
            <ChannelTable of={channels} />
            <h3>{text.channels.routes}</h3>
            {routes.length === 0 ? <p class="quiet">{text.channels.noRoutes}</p> : <Routes of={routes} />}
          </>
        ))}
      </Show>
    </section>
  );
}

function ChannelTable({ of }: { of: readonly Schemas['Channel'][] }) {
  const { channels: t } = text;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.title}>
      <table class="small">
        <thead>
          <tr>
            <th scope="col">{t.channel}</th>
            <th scope="col">{t.type}</th>
            <th scope="col">{t.state}</th>
            <th scope="col" class="number">{t.waiting}</th>
            <th scope="col" class="number">{t.failed}</th>
            <th scope="col" class="number">{t.throttle}</th>
          </tr>
        </thead>
        <tbody>
          {of.map((channel) => (
            <tr key={channel.name}>
              <th scope="row">{channel.name}</th>
              <td>{channel.type}</td>
              <td><ChannelState of={channel} /></td>
              <td class="number">{countOf(channel.waiting, channel.complete)}{channel.waiting_since !== null && <> · <Time at={channel.waiting_since} relative /></>}</td>
              <td class="number">{countOf(channel.failed, channel.complete)}</td>
              <td class="number">{channel.throttle_seconds === 0 ? text.none : duration(channel.throttle_seconds * 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ChannelState({ of }: { of: Schemas['Channel'] }) {
  if (of.broken_reason) return <strong>{text.channels.broken(of.broken_reason)}</strong>;
  if (of.disabled_at !== null) return <strong>{text.channels.disabled} <Time at={of.disabled_at} /></strong>;
  return <>{of.failed > 0 ? text.channels.hasFailures : text.channels.sends}</>;
}

function Routes({ of }: { of: readonly Schemas['Route'][] }) {
  const words = (values: readonly string[] | null | undefined, all: string) => (values ? text.channels.some(values) : all);
  return (
    <ul class="lines">
      {of.map((route, index) => (
        <li key={index}>
          <span>{words(route.severities, text.channels.allSeverities)}</span>
          <span>{words(route.metrics, text.mute.allMetrics)}</span>
          <span>{words(route.customers, text.mute.allCustomers)}</span>
          <span class="quiet">{text.channels.to(route.channels.join(', '))}</span>
        </li>
      ))}
    </ul>
  );
}
