//go:build !unix

package catalog

import "os/exec"

// stopGroup does nothing where there are no process groups: the command itself is ended.
func stopGroup(*exec.Cmd) {}
