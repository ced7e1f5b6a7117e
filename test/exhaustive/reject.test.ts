import { covers } from './support/covers.ts'

covers('reject', {
  idle: 24_860,
  busy: 4_497,
  stuck: 4_220,
  wide: 7_147,
  both: 5_318,
  large: [84_231, 32_790, 89_727, 30_774],
})
