import { describe, expect, it } from "vitest";
import { neededVariables } from "../../../src/dockerfile/shell-variables.js";

function names(script: string): string[] {
  return neededVariables(script).map(({ name }) => name);
}

describe("the variables that a script needs", () => {
  it.each<[string, string[]]>([
    ["cp app.jar /opt/$APP_VERSON/", ["APP_VERSON"]],
    ['cp "a b" "/opt/${APP_VERSON}/x" && echo $APP_VERSON $B', ["APP_VERSON", "B"]],
    ['x="$(cat $FILE | grep "$WORD")"; echo $x', ["FILE", "WORD"]],
    ["echo `cat $FILE`", ["FILE"]],
    ["X=$Y make", ["Y"]],
    ["echo ${NAME%.*} ${#OTHER} ${LIST[0]}", ["NAME", "OTHER", "LIST"]],
    ['cat <<< "$WORD"', ["WORD"]],
    ["echo $A # $B", ["A"]],
    ["for x in $LIST; do echo $x; done", ["LIST"]],
  ])("%s", (script, expected) => {
    expect(names(script)).toEqual(expected);
  });

  it.each([
    "for f in *.c; do cc -c $f; done",
    "while IFS= read -r line; do echo $line; done < x",
    "read a b; echo $a $b",
    "X=1; echo $X",
    "X=$(date) && echo ${X}",
    "export V=1 W=2; echo $V $W",
    "local_f() { local q=1; echo $q $1 $@ $#; }; local_f a",
    "echo $$ $! $? $0 $1 $10 $* $- $#",
    "echo ${X:-default} ${Y-} ${Z:+z} ${V:?none}",
    ": ${X:=1}; echo $X",
    "awk '{ print $1, $NF }' x",
    "sh -c 'echo $INNER'",
    'sh -c "echo \\$INNER"',
    "sed -i 's/$OLD/x/' f; grep 'a$' f; grep \"b$\" f",
    "envsubst '$A $B' < x",
    "x=\"$(awk '{ print $NF }' y)\"",
    "cat <<EOF\n$A\nEOF",
    'eval "$(tool env)"; echo $FROM_TOOL',
    ". ./env.sh; echo $FROM_FILE",
    "source env && echo $FROM_FILE",
    "echo ${!name}",
    "i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done",
    "((n = 3)); echo $n; echo $((m = 2)) $m",
    "while getopts ab: opt; do echo $opt; done",
    "mapfile -t lines < x; echo ${lines[0]}",
    "printf -v out %s x; echo $out",
    "select x in a b; do echo $x; done",
    "list+=(a b); echo ${list[@]} ${#list[@]}",
    "echo $'it\\'s $X' \"it's\"",
    "# it's $X\ntrue",
    "case a in a) x=1;; esac; echo $x",
    "echo 'unclosed $X",
  ])("are none in %j", (script) => {
    expect(names(script)).toEqual([]);
  });

  it("may be meant to be missing where they are tested", () => {
    const tested = (script: string): boolean[] => neededVariables(script).map(({ isTested }) => isTested);
    expect(tested('if [ -n "$DEBUG" ]; then make debug; fi')).toEqual([true]);
    expect(tested("test -z $A || echo $A")).toEqual([true]);
    expect(tested("[[ $A == x ]] && echo $B")).toEqual([true, false]);
    expect(tested('case "$ARCH" in amd64) echo $X;; esac')).toEqual([true, false]);
    expect(tested("echo ${A:-} $A")).toEqual([true]);
  });
});
