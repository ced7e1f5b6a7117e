/** What the queue is set to, in words, with what is odd about it; and what there has been since it was made. */
import type { QueueModel } from './model.ts'
import { Icon, Panel } from './parts.tsx'
import { clockTime, count, withTimes } from './units.ts'

export function Settings({ model: { settings, status, limits } }: { readonly model: QueueModel }) {
  return (
    <div class="two">
      <Panel title="Settings" note="what describe() says">
        {settings === null ? (
          <p>They are not known here: the executor is elsewhere.</p>
        ) : (
          <>
            {settings.warnings.length > 0 && (
              <ul class="findings">
                {settings.warnings.map((warning) => (
                  <li key={warning} class="warn">
                    <span class="mark">
                      <Icon name="warn" />
                    </span>
                    <div>
                      <p>{withTimes(warning)}</p>
                    </div>
                  </li>
                ))}
              </ul>
            )}
            <ul class="plain">
              {settings.lines.map((line) => (
                <li key={line}>{withTimes(line)}</li>
              ))}
            </ul>
          </>
        )}
      </Panel>
      <Panel title="Since it was made">
        <dl class="about totals">
          {Object.entries(status.totals).map(([name, n]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{count(n)}</dd>
            </>
          ))}
        </dl>
        <h3 class="quiet">Changes of the limit</h3>
        {limits.length === 0 ? (
          <p>None in the last 15 min.</p>
        ) : (
          <ul class="plain">
            {limits
              .slice(-12)
              .reverse()
              .map(({ at, from, to }) => (
                <li key={at}>
                  {clockTime(Date.parse(at))}: from {count(from)} to {count(to)}
                </li>
              ))}
          </ul>
        )}
      </Panel>
    </div>
  )
}
