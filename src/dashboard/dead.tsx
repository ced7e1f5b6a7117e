/** Dead letters that are chosen: once more, or away. A dry run says first how it would go. */
import { ask, pathOf } from './api.ts'
import { act, open, refused } from './dialogs.tsx'
import { TierName } from './parts.tsx'
import { canChange, isAdmin, whyNot } from './state.ts'
import { count, many } from './units.ts'
import { type Request, tiers } from './wire.ts'

interface DeadProps {
  readonly queue: string
  readonly rows: readonly Request[]
  readonly chosen: { value: ReadonlySet<string> }
}

type Bulk = 'requeue' | 'delete'

interface BulkAnswer {
  readonly counts: { readonly [change: string]: number }
}

export function DeadActions({ queue, rows, chosen }: DeadProps) {
  const some = rows.filter(({ id, generation }) => chosen.value.has(`${generation} ${id}`))
  const possible = rows.filter(({ reason }) => reason !== 'corrupt')
  const isAll = some.length > 0 && some.length === possible.length
  const go = async (action: Bulk): Promise<void> => {
    const requests = some.map(({ id, generation }) => ({ id, generation }))
    const { counts } = await ask<BulkAnswer>(`${pathOf(queue)}/requests:bulk`, {
      method: 'POST',
      body: { action, requests, dryRun: true },
    })
    const can = counts.done ?? 0
    open({
      kind: 'confirm',
      title: action === 'requeue' ? `Requeue ${many(can, 'dead letter')}?` : `Delete ${many(can, 'dead letter')}?`,
      text: <Before action={action} some={some} counts={counts} />,
      tick: action === 'requeue' ? crashedOf(some) : undefined,
      ...{ yes: action === 'requeue' ? `Requeue ${count(can)}` : `Delete ${count(can)}`, no: 'Keep them' },
      run: async () => {
        await act({ queue, path: '/requests:bulk', body: { action, requests } })
        chosen.value = new Set()
      },
    })
  }
  const isOff = !canChange.value || some.length === 0
  return (
    <div class="reasons">
      <label class="pick">
        <input
          type="checkbox"
          aria-label="All on this page"
          checked={isAll}
          onChange={() =>
            (chosen.value = isAll ? new Set() : new Set(possible.map(({ id, generation }) => `${generation} ${id}`)))
          }
        />
      </label>
      <b>{some.length === 0 ? 'None selected' : `${count(some.length)} selected`}</b>
      <button
        type="button"
        class="control primary"
        disabled={isOff}
        title={whyNot.value}
        onClick={() => void go('requeue').catch(refused)}
      >
        Requeue {count(some.length)}
      </button>
      <button
        type="button"
        class="control"
        disabled={isOff || !isAdmin.value}
        title={isAdmin.value ? whyNot.value : 'Needs admin'}
        onClick={() => void go('delete').catch(refused)}
      >
        Delete {count(some.length)}
      </button>
    </div>
  )
}

/** Those that were running when the process died may make it die again. */
function crashedOf(some: readonly Request[]): string | undefined {
  const crashed = some.filter(({ reason }) => reason === 'crashed')
  if (crashed.length === 0) return undefined
  return `${many(crashed.length, 'of them', 'of them')} ran when the process died. I know that it may do so again.`
}

function Before({
  action,
  some,
  counts,
}: {
  readonly action: Bulk
  readonly some: readonly Request[]
  readonly counts: BulkAnswer['counts']
}) {
  const not = Object.entries(counts).filter(([change]) => change !== 'done')
  return (
    <>
      <p>
        {action === 'requeue'
          ? 'They come in as if sent now, at the end of their tier, with fresh attempts and time limits. Their callers are gone. What a first attempt has done already may be done again.'
          : 'They are gone for good.'}
      </p>
      <ul class="by-tier">
        {tiers.map((tier) => {
          const n = some.filter(({ priority }) => priority === tier).length
          return (
            n > 0 && (
              <li key={tier}>
                <TierName tier={tier} /> {count(n)}
              </li>
            )
          )
        })}
      </ul>
      {not.length > 0 && <p>Not possible for {not.map(([change, n]) => `${count(n)} (${change})`).join(', ')}.</p>}
    </>
  )
}
