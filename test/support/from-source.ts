/**
 * The package's own name means its sources, for programs that Node runs without a build:
 * `node --import ./test/support/from-source.ts program.ts`.
 */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(name, context, next) {
    const own = /^triage-queue(\/[^/]+)?$/.exec(name)
    if (own === null) return next(name, context)
    return next(new URL(`../../src${own[1] ?? ''}/index.ts`, import.meta.url).href, context)
  },
})
