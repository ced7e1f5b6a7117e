import type { SizeLimitConfig } from 'size-limit'
import budget from './budget.json' with { type: 'json' }

const forNode = <Config extends object>(config?: Config): Config => ({ ...config, platform: 'node' }) as Config

export default [
  {
    name: `import ${budget.core.imports} from 'triage-queue', minified and brotlied, with its dependencies`,
    path: budget.core.entry,
    import: budget.core.imports,
    limit: budget.core.maxSizeMinifiedBrotli,
    modifyEsbuildConfig: forNode,
  },
  {
    name: 'all of triage-queue, minified and brotlied, with its dependencies',
    path: budget.core.entry,
    limit: budget.everything.maxSizeMinifiedBrotli,
    modifyEsbuildConfig: forNode,
  },
] satisfies SizeLimitConfig
