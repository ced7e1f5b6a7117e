/** A real browser: Debian's chromium, by playwright-core. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Where it is; `CHROMIUM` says otherwise. */
const executablePath = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path))

let running: Promise<Browser> | undefined

function browser(): Promise<Browser> {
  if (executablePath === undefined)
    throw new Error('There is no chromium: install it (Debian: apt install chromium), or say where in CHROMIUM')
  running ??= chromium.launch({ executablePath, args: ['--no-sandbox', '--js-flags=--expose-gc'] })
  return running
}

export async function closeBrowser(): Promise<void> {
  await (await running)?.close()
  running = undefined
}

export interface Looked {
  readonly page: Page
  /** What went wrong by itself: errors of scripts, of the console, and what the policy has kept out. */
  readonly faults: string[]
  /** Every address that was asked. */
  readonly asked: string[]
}

/** A page of its own, with a cookie jar of its own. */
export async function look(options: BrowserContextOptions = {}): Promise<Looked> {
  const context = await (await browser()).newContext({
    viewport: { width: 1_440, height: 900 },
    colorScheme: 'light',
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  const asked: string[] = []
  page.on('pageerror', ({ message }) => faults.push(message))
  page.on('console', (message) => {
    // A connection that is refused is reported by the browser itself.
    if (message.type() === 'error' && !/net::ERR_|status of (4|5)\d\d/.test(message.text())) faults.push(message.text())
  })
  page.on('request', (request) => asked.push(request.url()))
  // As text: this file is checked without the types of a browser.
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    console.error('policy: ' + violatedDirective + ' ' + blockedURI))`)
  return { page, faults, asked }
}
