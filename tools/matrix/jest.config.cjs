module.exports = {
  testMatch: ['**/jest-*.test.?js'],
  transform: {},
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'json'],
  testTimeout: 120_000,
}
