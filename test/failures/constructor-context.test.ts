/**
 * An executor is often made in the middle of something else: in the first request that needs it, say. It outlives that.
 */
import { expect, test } from 'vitest'
import { answerOf } from './support.ts'

// Where Node knows both ways to keep contexts: as it does by itself, and as Node 22 does.
const isKnown = process.allowedNodeEnvironmentFlags.has('--async-context-frame')

test.each(isKnown ? ['--async-context-frame', '--no-async-context-frame'] : ['--expose-gc'])(
  'F72: nothing that lives on keeps the AsyncLocalStorage store of whoever made it, or imported it first: %s',
  async (way) => {
    const report = await answerOf<{ [when: string]: string[] }>('constructor-context', [], ['--expose-gc', way])
    expect(Object.keys(report)).toEqual(['never used', 'used', 'in use'])
    for (const [when, kept] of Object.entries(report)) {
      // Node 22 keeps that of every import.
      const keepsImports = kept.includes('import of nothing')
      const ours = kept.filter((name) => !(keepsImports && name.startsWith('import')))
      expect([when, ...ours]).toEqual([when, 'control'])
    }
  },
)
