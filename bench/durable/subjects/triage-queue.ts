import { join } from 'node:path'
import { openStore } from '../../../src/sqlite/open-store.ts'
import { library } from '../../library.ts'
import { answerTo, type DurableSubject } from '../subject.ts'

export const subject: DurableSubject = {
  about: 'openStore(), synchronous: full',
  async open(folder) {
    const store = await openStore(join(folder, 'ours.db'))
    const queue = store.queue('bench')
    return {
      acknowledge(id, text) {
        const payload = queue.encode(text, 'request')
        return queue.admitted({
          ...{ seq: queue.nextSeq(), id, isKey: true, priority: 'normal', payload },
          ...{ submittedAt: Date.now(), limits: {} },
        })
      },
      async verify(ids) {
        const { live } = await store.stats()
        const views = await Promise.all(ids.map((id) => store.find(id)))
        return { count: live, texts: views.map((view) => store.decode(view?.payload ?? 'null') as string) }
      },
      close: () => store.close(),
    }
  },
  async execute(folder, _port, slots) {
    const store = await openStore(join(folder, 'ours.db'))
    // The option is younger than this bench: where it is not known, that is said, and not measured.
    const options = { name: 'bench', concurrency: slots, maxQueueSize: 100_000, store } as object
    const queue = new library.QueuedExecutor<string, string>(async (text) => answerTo(text), options)
    return {
      execute: (id, text) => queue.execute(text, { id }),
      async close() {
        await queue.close()
        await store.close()
      },
    }
  },
}
