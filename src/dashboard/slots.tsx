/** What runs where? A cell for each slot, as long as they can be told apart; above that a square for each. */
import { SlotsChart } from './charts.tsx'
import type { QueueModel } from './model.ts'
import { Bars, Panel } from './parts.tsx'
import { count, middle, seconds, shortTime } from './units.ts'
import type { Slot, Tier } from './wire.ts'

const MOST_CELLS = 24
const MOST_SQUARES = 400

export function Slots({ model }: { readonly model: QueueModel }) {
  const { workers, status } = model
  const { maxWorkers, activeWorkers, stuckWorkers } = status
  const free = Math.max(maxWorkers - activeWorkers, 0)
  const cells = workers.length > 0 && workers.length <= MOST_CELLS
  const note = `${count(activeWorkers - stuckWorkers)} busy · ${count(free)} free · ${count(stuckWorkers)} stuck`
  return (
    <Panel title="Slots" note={note} class="chart slots-panel">
      {cells ? (
        <ol class="cells">
          {workers.map((slot, at) => (
            <Cell key={slot.slot} slot={slot} isOver={at >= maxWorkers} />
          ))}
        </ol>
      ) : (
        <div class="squares" role="img" aria-label={note}>
          {workers.slice(0, MOST_SQUARES).map((slot) => (
            <i
              key={slot.slot}
              class={slot.healthy ? (slot.currentRequest === null ? 'free' : (slot.priority ?? 'neutral')) : 'stuck'}
            />
          ))}
          {workers.length > MOST_SQUARES && <span>and {count(workers.length - MOST_SQUARES)} more</span>}
        </div>
      )}
      <SlotsChart model={model} />
    </Panel>
  )
}

function Cell({ slot, isOver }: { readonly slot: Slot; readonly isOver: boolean }) {
  const { currentRequest, runMs, priority, healthy, slot: index } = slot
  const time = runMs === null ? '' : runMs < 9_995 ? `${seconds(runMs)} s` : shortTime(runMs)
  if (!healthy) {
    return (
      <li class="cell stuck" title={currentRequest === null ? undefined : middle(currentRequest, 80)}>
        <span>{index + 1}</span>
        <b>× stuck</b>
        <span class="end">{time}</span>
      </li>
    )
  }
  if (currentRequest === null) {
    return (
      <li class={isOver ? 'cell over' : 'cell free'}>
        <span>{index + 1}</span>
        <span class="end">{isOver ? 'over limit' : 'free'}</span>
      </li>
    )
  }
  return (
    <li class="cell busy" title={middle(currentRequest, 80)}>
      <span>{index + 1}</span>
      {priority !== null && <Bars tier={priority as Tier} />}
      <b class="end">{time === '' ? 'busy' : time}</b>
    </li>
  )
}
