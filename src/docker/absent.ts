import { DfdebugError } from "../errors.js";

/** Resolves with undefined where the engine has no such object. */
export async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof DfdebugError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}
