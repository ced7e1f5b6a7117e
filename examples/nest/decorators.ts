/**
 * Lets Node run the decorators of this folder, as Nest's own compiler does:
 * `node --import ./examples/nest/decorators.ts examples/nest/main.ts`.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import tsconfig from './tsconfig.json' with { type: 'json' }

const { experimentalDecorators, emitDecoratorMetadata } = tsconfig.compilerOptions
const compilerOptions: ts.CompilerOptions = {
  experimentalDecorators,
  emitDecoratorMetadata,
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
}

registerHooks({
  load(url, context, next) {
    if (url !== new URL('main.ts', import.meta.url).href) return next(url, context)
    const { outputText } = ts.transpileModule(readFileSync(fileURLToPath(url), 'utf8'), { compilerOptions })
    return { format: 'module', source: outputText, shortCircuit: true }
  },
})
