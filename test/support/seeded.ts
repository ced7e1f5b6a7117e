/**
 * Chance that is the same in every run: numbers from 0 to 1, the same for the same seed. The CLI draws its loads with them, too.
 */
export { seededRandom as seeded } from '../../src/cli/random.ts'
