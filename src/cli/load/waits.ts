/**
 * How long did each wait for its slot? Only the service knows: it says so in its events.
 */

import type { Client } from '../client.ts'
import { cannot } from '../fault.ts'

export interface Waits {
  /** In ms, by the number of the request; NaN: not told. */
  readonly of: Float64Array
  /** How many events were missed. */
  readonly missed: number
  stop(): void
}

interface Frame {
  readonly event: string
  readonly id?: string
  readonly waitMs?: number
  readonly missed?: number
}

/** Listens; fulfils when what happens from now on will be told. @throws {Fault} */
export async function listenForWaits(client: Client, queue: string, keyPrefix: string, count: number): Promise<Waits> {
  const of = new Float64Array(count).fill(Number.NaN)
  const waits = { of, missed: 0, stop: () => stopping.abort() }
  const stopping = new AbortController()
  const path = `${client.base}/v1/events?queue=${encodeURIComponent(queue)}`
  const response = await fetch(path, { headers: client.headers(), signal: stopping.signal }).catch((error: unknown) => {
    throw client.unreachable(error)
  })
  if (!response.ok || response.body === null) throw cannot(`${client.base} tells no events: HTTP ${response.status}`)
  const pattern = new RegExp(`(?:^|~)${keyPrefix}(\\d+)$`)
  const heard = ({ event, id, waitMs, missed }: Frame): void => {
    if (event === 'gap') waits.missed += missed ?? 0
    const seq = event === 'started' ? pattern.exec(id ?? '')?.[1] : undefined
    if (seq !== undefined && waitMs !== undefined) of[Number(seq)] = waitMs
  }
  await new Promise<void>((opened) => {
    void read(response.body as ReadableStream<Uint8Array>, (frame) => {
      if (frame.event === 'snapshot') opened()
      heard(frame)
    }).finally(opened)
  })
  return waits
}

async function read(body: ReadableStream<Uint8Array>, told: (frame: Frame) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = blocks.pop() as string
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (data !== undefined) told(JSON.parse(data) as Frame)
      }
    }
  } catch {
    // The run is over, or the stream was cut: what was not told is missing.
  }
}
