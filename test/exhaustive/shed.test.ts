import { covers } from './support/covers.ts'

covers('shed', {
  idle: 23_106,
  busy: 4_221,
  stuck: 4_183,
  wide: 7_139,
  both: 5_302,
  large: [75_390, 30_674, 83_998, 29_235],
})
