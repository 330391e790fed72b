/** Build contexts: .dockerignore, walking, and why a COPY found nothing. */
export { diagnoseCopy, nearestNames } from "./context/diagnose.js";
export {
  dockerignoreFor,
  dockerignoreText,
  explainExclusion,
  readIgnoreFile,
  type IgnorePattern,
} from "./context/ignore-file.js";
export { PathFilter, type FilterPatterns } from "./context/path-filter.js";
export { Pattern, PatternMatcher } from "./context/pattern-matcher.js";
export { walkTree, type WalkEntry } from "./context/walk.js";
