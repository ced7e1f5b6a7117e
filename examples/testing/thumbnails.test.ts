/**
 * How do I test a service that uses the queue? With fake timers, like any other; nothing of the queue is mocked.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Renderer, Thumbnails } from './thumbnails.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A renderer that takes a second for each image, and notes in which order it was asked. */
function slowRenderer() {
  const asked: string[] = []
  const aborted: string[] = []
  const renderer: Renderer = {
    render(image, signal) {
      asked.push(image)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve(`${image} (small)`), 1_000)
        signal.addEventListener('abort', () => {
          aborted.push(image)
          clearTimeout(timer)
          reject(signal.reason)
        })
      })
    },
  }
  return { renderer, asked, aborted }
}

test('previews go first', async () => {
  const { renderer, asked } = slowRenderer()
  const thumbnails = new Thumbnails(renderer)
  const all = ['a', 'b', 'c', 'd'].map((image) => thumbnails.get(image, { preview: image === 'd' }))
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await Promise.all(all)).toEqual(['a (small)', 'b (small)', 'c (small)', 'd (small)'])
  expect(asked).toEqual(['d', 'a', 'b', 'c'])
})

test('whoever has waited too long gets a placeholder, and the renderer is told', async () => {
  const { renderer, asked, aborted } = slowRenderer()
  const thumbnails = new Thumbnails(renderer)
  const all = Array.from({ length: 8 }, (_, i) => thumbnails.get(`${i}`, { preview: false }))
  await vi.advanceTimersByTimeAsync(2_500)
  const late = thumbnails.get('late', { preview: true })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await Promise.all(all)).toEqual([
    ...['0', '1', '2', '3', '4', '5'].map((image) => `${image} (small)`),
    'placeholder.png',
    'placeholder.png',
  ])
  expect(asked).toEqual(['0', '1', '2', '3', '4', '5', 'late', '6'])
  expect(aborted).toEqual(['6'])
  await vi.advanceTimersByTimeAsync(500)
  expect(await late).toBe('late (small)')
  await thumbnails.close()
  expect(vi.getTimerCount()).toBe(0)
})
