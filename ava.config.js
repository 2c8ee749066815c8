/** `npm test`: everything but the long ones (long.config.js). */
export default {
  files: ["dist/test/**/*.test.js", "!dist/test/**/*.long.test.js"],
  workerThreads: false,
  concurrency: 4, // those of a federation wait as much as they compute
  timeout: "3m",
};
