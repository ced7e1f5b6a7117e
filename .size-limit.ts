import type { SizeLimitConfig } from 'size-limit'
import budget from './budget.json' with { type: 'json' }

const forNode = <Config extends object>(config?: Config): Config => ({ ...config, platform: 'node' }) as Config

export default [
  {
    name: 'triage-queue, minified and brotlied, with its dependencies',
    path: budget.core.entry,
    limit: budget.core.maxSizeMinifiedBrotli,
    modifyEsbuildConfig: forNode,
  },
] satisfies SizeLimitConfig
