/** What a request is about: what is known of it, and its payload when somebody asks for it who may. */
import { useSignal } from '@preact/signals'
import { ask, ofRequest, pathOf } from './api.ts'
import { Panel, TierName } from './parts.tsx'
import { isOperator } from './state.ts'
import { count } from './units.ts'
import type { Request } from './wire.ts'

export function About({ queue, request }: { readonly queue: string; readonly request: Request }) {
  const { id, generation, priority, key, kind, slot, metadata, result } = request
  const payload = useSignal<{ readonly text: string } | undefined>(undefined)
  const problem = useSignal<string | undefined>(undefined)
  const show = async (): Promise<void> => {
    try {
      const { payload: found } = await ask<Request>(`${pathOf(queue)}${ofRequest(id)}?include=payload`)
      payload.value = { text: found === undefined ? 'It is not kept any more.' : JSON.stringify(found, undefined, 2) }
    } catch (error) {
      problem.value = (error as Error).message
    }
  }
  const rows: readonly (readonly [string, unknown])[] = [
    ['Generation', generation > 0 ? count(generation) : undefined],
    ['Key', key],
    ['Kind', kind],
    ['Slot', slot === undefined ? undefined : slot + 1],
    ['Metadata', metadata === undefined ? undefined : JSON.stringify(metadata)],
    ['Result', result === undefined ? undefined : JSON.stringify(result)],
  ]
  return (
    <Panel title="The request">
      <dl class="about">
        <dt>Id</dt>
        <dd class="mono">{id}</dd>
        <dt>Tier</dt>
        <dd>
          <TierName tier={priority} />
        </dd>
        {rows.map(([name, value]) =>
          value === undefined ? null : (
            <>
              <dt key={name}>{name}</dt>
              <dd class="mono">{String(value)}</dd>
            </>
          ),
        )}
        <dt>Payload</dt>
        <dd>
          {payload.value === undefined ? (
            <>
              hidden{' '}
              <button
                type="button"
                class="control small"
                disabled={!isOperator.value}
                title={isOperator.value ? 'This is audited' : 'Needs operator'}
                onClick={() => void show()}
              >
                Show, redacted
              </button>
            </>
          ) : (
            <pre>{payload.value.text}</pre>
          )}
          {problem.value !== undefined && <span class="bad"> {problem.value}</span>}
        </dd>
      </dl>
      <p class="note">Showing a payload is written to the audit log.</p>
    </Panel>
  )
}
