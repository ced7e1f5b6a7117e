/**
 * A service as one would write it: it makes thumbnails, at most two at a time, and gives up after 3.5 seconds.
 */
// In your project: from 'triage-queue'
import { isTriageError, QueuedExecutor } from '../../src/index.ts'

export interface Renderer {
  render(image: string, signal: AbortSignal): Promise<string>
}

export class Thumbnails {
  readonly #queue: QueuedExecutor<string, string>

  constructor(renderer: Renderer) {
    this.#queue = new QueuedExecutor((image, run) => renderer.render(image, run.signal), {
      concurrency: 2,
      timeoutMs: 3_500,
    })
  }

  /** A thumbnail, or a placeholder when there is none in time. */
  async get(image: string, options: { preview: boolean }): Promise<string> {
    try {
      return await this.#queue.execute(image, { priority: options.preview ? 'high' : 'low' })
    } catch (error) {
      if (isTriageError(error)) return 'placeholder.png'
      throw error
    }
  }

  close(): Promise<void> {
    return this.#queue.close()
  }
}
