/** `npm run test:long`: whole federations killed and taken up again in more ways than `npm test` has the time for. */
export default { ...(await import("./ava.config.js")).default, files: ["dist/test/**/*.long.test.js"] };
