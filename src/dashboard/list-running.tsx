/** What runs, slot by slot: every row keeps its place. */
import { Empty, fits, IdLink, KeyCell, KeyHead, Row, Table } from './list-parts.tsx'
import type { QueueModel } from './model.ts'
import { Share, TierName } from './parts.tsx'
import { count, duration, shortSeconds, waits } from './units.ts'
import type { Tier } from './wire.ts'

const PER_PAGE = 50

/** By slot, so that rows stay where they are. */
export function Running({ model }: { readonly model: QueueModel }) {
  const { name, workers, points, status, settings } = model
  const busy = workers.filter(({ currentRequest }) => currentRequest !== null)
  const found = busy.filter(({ currentRequest, priority }) => fits(currentRequest, priority))
  const shown = found.slice(0, PER_PAGE)
  const run = points.at(-1)?.run
  const p95 = run === null || run === undefined || run.count < 20 ? null : run.p95Ms
  const longest = Math.max(1_000, ...shown.map(({ runMs }) => runMs ?? 0))
  const scale = p95 === null ? longest : Math.max(p95 * 1.6, Math.min(longest, p95 * 8))
  if (found.length === 0) {
    const { state, waiting } = status
    const why = waiting === 0 ? undefined : `${count(waiting)} ${waits(waiting)}: they are in Waiting.`
    return (
      <Empty
        {...{ tab: 'running', queue: name, isAll: busy.length === 0, why }}
        isOpen={waiting === 0 && (state === 'open' || state === 'paused')}
      />
    )
  }
  const stuck = busy.filter(({ healthy }) => !healthy).length
  const hasKey = shown.some(({ key }) => key !== null)
  const hasProgress = shown.some(({ progress }) => progress !== null)
  return (
    <Table
      caption="What runs, by slot"
      foot={
        <>
          <span>
            {count(shown.length)} of {count(busy.length)}
            {stuck > 0 && `, ${count(stuck)} stuck`}
          </span>
          <span>sorted by slot, so that rows stay where they are</span>
          {settings === null || settings.runTimeoutMsByPriority.normal === null ? undefined : (
            <span class="right">
              a run may take {duration(settings.runTimeoutMsByPriority.normal)}, unless it was given another time
            </span>
          )}
        </>
      }
      head={
        <>
          <th scope="col" class="num slot">
            Slot
          </th>
          <th scope="col">Id</th>
          <th scope="col">Tier</th>
          {hasKey && <KeyHead />}
          <th scope="col" class="num phone-off">
            Waited, s
          </th>
          <th scope="col" class="bar-cell">
            Runs for, s{p95 !== null && <span class="narrow-off">; | is the usual p95</span>}
          </th>
          {hasProgress && (
            <th scope="col" class="num narrow-off">
              Done
            </th>
          )}
          <th scope="col" class="num narrow-off">
            Attempt
          </th>
        </>
      }
    >
      {shown.map(({ slot, currentRequest, priority, key, waitMs, runMs, attempt, healthy, progress }) => (
        <Row key={slot} queue={name} id={currentRequest}>
          <td class="num slot">{slot + 1}</td>
          <td>
            <IdLink queue={name} id={currentRequest as string} />
          </td>
          <td>{priority === null ? '–' : <TierName tier={priority as Tier} />}</td>
          {hasKey && <KeyCell of={key} />}
          <td class="num phone-off">{waitMs === null ? '–' : shortSeconds(waitMs)}</td>
          <td class="bar-cell">
            <span class={healthy ? 'runs' : 'runs bad'}>
              <b>{runMs === null ? '–' : shortSeconds(runMs)}</b>
              <span class="track">
                <Share of={(runMs ?? 0) / scale} tier={(priority as Tier | null) ?? undefined} wide />
                {p95 !== null && <i style={{ left: `${Math.min(p95 / scale, 1) * 100}%` }} />}
              </span>
              {!healthy && <em>stuck</em>}
            </span>
          </td>
          {hasProgress && <td class="num narrow-off">{progress === null ? '–' : `${Math.floor(progress * 100)} %`}</td>}
          <td class="num narrow-off">{attempt === null ? '–' : count(attempt)}</td>
        </Row>
      ))}
    </Table>
  )
}
