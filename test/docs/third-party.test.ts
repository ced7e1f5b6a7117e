/** What the build bundles is named with its licence: else run `node tools/third-party.ts`. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bundled, thirdParty } from '../../tools/third-party.ts'

test('THIRD-PARTY.md has the licence of each package that is bundled', () => {
  expect(bundled()).toEqual([
    '@preact/signals',
    '@preact/signals-core',
    'commander',
    'hono',
    'preact',
    'uplot',
    'ws',
    'zod',
  ])
  expect(readFileSync(new URL('../../THIRD-PARTY.md', import.meta.url), 'utf8')).toBe(thirdParty())
})
