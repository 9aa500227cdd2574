package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pipCommands are the ways to call pip, in the order tried.
var pipCommands = [][]string{{"pip"}, {"pip3"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}}

// pipVariants are further arguments, in the order tried: a wheel needs no more, and from an sdist pip wants to build metadata first,
// which may work without an isolated environment where it does not with one.
var pipVariants = [][]string{nil, {"--no-build-isolation"}}

// pipDownload has pip download one package file into dir. pip knows the index, proxies and certificates that this machine uses.
// Nothing is installed.
func (p *puller) pipDownload(ctx context.Context, dir string, step Step) (path string, err error) {
	pip := findPip()
	if pip == nil {
		return "", errors.New("no pip found on PATH (looked for pip, pip3, python3 -m pip): install Python's pip, for example with apt install python3-pip")
	}
	p.progress.Begin(step.Pip, 0, step.Size)
	defer func() { p.progress.End(err) }()
	var errs []error
	for _, variant := range pipVariants {
		path, err := p.runPip(ctx, dir, step, append(pip[1:len(pip):len(pip)], "download"), pip[0], variant)
		if err == nil {
			return path, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		errs = append(errs, err)
		if !strings.Contains(err.Error(), "metadata") && !strings.Contains(err.Error(), "build") {
			break // it is not about building an sdist
		}
	}
	return "", errs[0]
}

func (p *puller) runPip(ctx context.Context, dir string, step Step, args []string, name string, variant []string) (string, error) {
	dest, tmp := filepath.Join(dir, "pip"), filepath.Join(dir, "tmp")
	for _, d := range []string{dest, tmp} {
		if err := errors.Join(os.RemoveAll(d), os.MkdirAll(d, 0o755)); err != nil {
			return "", err
		}
	}
	args = append(args, "--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet", "--dest", dest)
	args = append(append(args, variant...), step.Pip)
	cmd := exec.CommandContext(ctx, name, args...)
	// pip downloads below TMPDIR and then moves the file: the size of both directories is how far it is, and after a kill
	// nothing is left anywhere else.
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	stopGroup(cmd)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return "", errors.Join(fmt.Errorf("%w: %s", err, lastError(out.String())), os.RemoveAll(dest), os.RemoveAll(tmp))
			}
			if err := os.RemoveAll(tmp); err != nil {
				return "", err
			}
			return onlyFile(dest)
		case <-tick.C:
			p.progress.Set(treeSize(dest) + treeSize(tmp))
		}
	}
}

// findPip returns the first way to call pip that answers.
func findPip() []string {
	for _, c := range pipCommands {
		if _, err := exec.LookPath(c[0]); err != nil {
			continue
		}
		if len(c) > 1 && exec.Command(c[0], append(c[1:len(c):len(c)], "--version")...).Run() != nil {
			continue // Python without pip
		}
		return c
	}
	return nil
}

// lastError picks pip's own summary from its output: its last line that says ERROR, or else its last line.
func lastError(out string) string {
	last := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "ERROR:") || line != "" && !strings.HasPrefix(last, "ERROR:") {
			last = line
		}
	}
	return last
}

func onlyFile(dir string) (string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("pip left %d files where one was asked for", len(list))
	}
	return filepath.Join(dir, list[0].Name()), nil
}

// treeSize adds up the files below dir; what comes and goes meanwhile does not matter.
func treeSize(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
