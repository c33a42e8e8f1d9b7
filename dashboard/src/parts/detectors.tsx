import { number } from '../lib/format';
import type { Anomaly } from '../lib/incident-data';
import { text } from '../texts';

/** What each detector says of the window that spoke, and how sure that is. */
export function Detectors({ anomaly }: { anomaly: Anomaly }) {
  const { incident: t, words } = text;
  const { detectors = [], nearest, trust, known_days, confidence } = anomaly;
  return (
    <>
      {detectors.length === 0 ? (
        <p class="quiet">{t.noDetectors}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t.detectors}>
          <table class="small">
            <thead>
              <tr>
                <th scope="col">{t.detector}</th>
                <th scope="col" class="number">{t.window}</th>
                <th scope="col" class="number" title={t.scoreHint}>{t.score}</th>
                <th scope="col">{t.says}</th>
              </tr>
            </thead>
            <tbody>
              {detectors.map((one) => (
                <tr key={`${one.name} ${one.hours}`}>
                  <td>{one.name}</td>
                  <td class="number">{t.hours(one.hours)}</td>
                  <td class="number">{number(one.score)}</td>
                  <td>{words.reason[one.reason] ?? one.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {nearest && <p>{t.nearest(words.condition[nearest.condition] ?? nearest.condition, number(nearest.figure), number(nearest.limit))}</p>}
      {typeof confidence === 'number' && <p>{t.confidence(number(confidence))}</p>}
      {trust && typeof known_days === 'number' && <p class="quiet">{t.trust(known_days, words.trust[trust] ?? trust)}</p>}
    </>
  );
}
