/** Build contexts: .dockerignore, walking, and why a COPY found nothing. */
export { diagnoseCopy, nearestNames } from "./context/diagnose.js";
export { followPaths } from "./context/follow.js";
export {
  explainExclusion,
  findIgnoreFile,
  parseIgnore,
  type IgnoreFile,
  type IgnorePattern,
} from "./context/ignore.js";
export { Pattern, PatternMatcher } from "./context/pattern.js";
export { unreadable, walk, type WalkEntry, type WalkFilter } from "./context/walk.js";
