/** YAML, for the configuration files alone: loaded where there is one. */
export { parse as parseYaml } from "yaml";
