import { covers } from './support/covers.ts'

covers('block', { idle: 86_534, busy: 12_443, everything: 4_263, large: [97_192, 34_266, 99_416, 31_854] })
