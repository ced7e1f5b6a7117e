/** One that listens to the events, by SSE or by WebSocket. */
import { request as nodeRequest } from 'node:http'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { tokenOf } from './principals.ts'
import { until } from './service.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into it.
export type Frame = any

export interface Listener {
  readonly frames: Frame[]
  readonly ids: string[]
  /** Undefined while it is open. */
  readonly status: number | undefined
  readonly isOver: boolean
  /** Fulfils when such a frame is there. */
  until(matches: (frame: Frame) => boolean): Promise<Frame>
  close(): void
}

export interface Listens {
  readonly as?: string
  readonly query?: string
  readonly last?: string | undefined
}

class Kept implements Listener {
  readonly frames: Frame[] = []
  readonly ids: string[] = []
  status: number | undefined
  isOver = false
  close = (): void => {}

  async until(matches: (frame: Frame) => boolean): Promise<Frame> {
    await until(() => this.isOver || this.frames.some(matches))
    return this.frames.find(matches)
  }
}

export function bySse(url: string, { as = 'vera', query = '', last }: Listens = {}): Listener {
  const kept = new Kept()
  const headers = { authorization: `Bearer ${tokenOf(as)}`, ...(last !== undefined && { 'last-event-id': last }) }
  const request = nodeRequest(`${url}/v1/events${query}`, { headers, agent: false }, (response) => {
    kept.status = response.statusCode
    let text = ''
    response.on('data', (chunk) => {
      text += chunk.toString()
      const blocks = text.split('\n\n')
      text = blocks.pop() as string
      for (const block of blocks) {
        const id = /^id: (.*)$/m.exec(block)?.[1]
        if (id !== undefined) kept.ids.push(id)
        kept.frames.push(JSON.parse(/^data: (.*)$/m.exec(block)?.[1] as string))
      }
    })
    response.on('error', () => {})
    response.on('close', () => {
      kept.isOver = true
    })
  })
  request.on('error', () => {
    kept.isOver = true
  })
  request.end()
  kept.close = () => request.destroy()
  onTestFinished(kept.close)
  return kept
}

export function byWebSocket(url: string, { as = 'vera', query = '', last }: Listens = {}): Listener {
  const kept = new Kept()
  const headers = { authorization: `Bearer ${tokenOf(as)}`, ...(last !== undefined && { 'last-event-id': last }) }
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws${query}`, { headers })
  socket.on('message', (data) => kept.frames.push(JSON.parse(String(data))))
  socket.on('unexpected-response', (_, response) => {
    kept.status = response.statusCode
    kept.isOver = true
    socket.terminate()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    kept.isOver = true
  })
  kept.close = () => socket.terminate()
  onTestFinished(kept.close)
  return kept
}

/** Frames that have a place in the ring. */
export function numbered(frames: readonly Frame[]): Frame[] {
  return frames.filter(({ event }) => !['snapshot', 'stats', 'gap', 'bye'].includes(event))
}
