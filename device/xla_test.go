//go:build cgo

package device

import "testing"

func TestFlagsAreAddedWhereTheUserSetNone(t *testing.T) {
	flags := []string{"--a=false", "--b=0"}
	for set, want := range map[string]string{
		"":                "--a=false --b=0",
		"--c=1":           "--c=1 --a=false --b=0",
		"--a=true":        "--a=true --b=0",
		"--b=4 --a=true":  "--b=4 --a=true",
		"--a=false --b=0": "--a=false --b=0",
	} {
		if got := withFlags(set, flags); got != want {
			t.Errorf("withFlags(%q) = %q, want %q", set, got, want)
		}
	}
}
