//go:build unix

package catalog

import (
	"os/exec"
	"syscall"
)

// stopGroup has a cancelled command ended together with the processes it started.
func stopGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
