/**
 * Draws the pictures of `docs/policies.md`, the same bytes on each run.
 *
 *     node tools/draw-policies.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pictures } from './draw-policies/pictures.ts'

const folder = join(import.meta.dirname, '../docs/policies')
mkdirSync(folder, { recursive: true })
for (const [file, draw] of Object.entries(pictures)) {
  const svg = await draw()
  writeFileSync(join(folder, file), svg)
  console.log(`docs/policies/${file}: ${/<title>(.*)<\/title>/.exec(svg)?.[1]}`)
}
