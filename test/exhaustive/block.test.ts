import { covers } from './support/covers.ts'

covers('block', {
  idle: 86_534,
  busy: 12_443,
  stuck: 4_263,
  wide: 7_151,
  both: 5_326,
  large: [97_192, 34_266, 99_416, 31_854],
})
