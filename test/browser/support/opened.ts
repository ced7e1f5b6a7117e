/** A page over a service that says what it is told to, until the test is over. */
import type { BrowserContextOptions } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { look } from './browser.ts'
import { noteLabels } from './misplaced.ts'
import type { Scene } from './scenes.ts'
import { Scripted } from './scripted.ts'

/** @param hash the view */
export async function open(
  scenes: readonly Scene[],
  hash = '#/llm/running',
  options: BrowserContextOptions & { readonly width?: number } = {},
) {
  const { width, ...rest } = options
  const service = await Scripted.start(...scenes)
  const looked = await look({ ...(width !== undefined && { viewport: { width, height: 900 } }), ...rest })
  const { page } = looked
  onTestFinished(async () => {
    await page.context().close()
    await service.close()
  })
  await page.addInitScript(noteLabels)
  await page.goto(`${service.url}/${hash}`)
  await page.locator('.live.is-live').waitFor()
  // What moves in at the beginning has its place.
  await page.waitForTimeout(300)
  return { ...looked, service }
}
