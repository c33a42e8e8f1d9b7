import { usePage } from '../lib/context';
import { useLoad } from '../lib/load';
import { loadPolicy } from '../lib/policy';
import { text } from '../texts';
import { Facts } from './facts';
import { Show } from './loaded';
import { MuteLines } from './mute-lines';
import { Time } from './time';

/** The policy of one customer in short. */
export function PolicySummary({ customer }: { customer: string }) {
  const { client } = usePage();
  const loaded = useLoad((signal) => loadPolicy(client, customer, signal), [customer]);
  return (
    <Show of={loaded}>
      {({ version, config, updated_at, updated_by }) =>
        version === 0 ? (
          <p class="quiet">{text.customer.noPolicy}</p>
        ) : (
          <>
            <Facts
              of={[
                [text.settings.version(version), <><Time at={updated_at} /> {updated_by && text.settings.changed(updated_by)}</>],
                [text.settings.factor, config.sensitivity ?? undefined],
                [text.settings.timeZone, config.time_zone ?? undefined],
                [text.settings.metrics, Object.keys(config.metrics ?? {}).join(', ') || undefined],
                [text.budgets.title, Object.keys(config.budgets ?? {}).join(', ') || undefined],
              ]}
            />
            <MuteLines of={config.mutes ?? []} />
          </>
        )
      }
    </Show>
  );
}
