package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lsat": main})
}

// TestScripts runs the command lines in testdata/script, each in an empty directory, without a home and with an empty cache. No
// site can be reached: a proxy that is not there answers for all of them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("PJRT_PLUGIN_LIBRARY_PATH", "")
			for _, v := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
				e.Setenv(v, "http://127.0.0.1:1")
			}
			e.Setenv("NO_PROXY", "")
			return nil
		},
	})
}

// TestInterruptEndsWith130 sends this process a Ctrl-C while a pull waits for pip.
func TestInterruptEndsWith130(t *testing.T) {
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	if err := os.WriteFile(filepath.Join(dir, "pip"), []byte("#!/bin/sh\ntouch '"+started+"'\nsleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	var stdout, stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"pull", "pjrt-cpu", "--cache-dir", filepath.Join(dir, "cache")}, &stdout, &stderr)
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(started); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("pip was not started")
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-code:
		if got != exitInterrupted || !strings.HasSuffix(stderr.String(), "lsat: interrupted\n") || stdout.Len() != 0 {
			t.Errorf("exit code %d, stdout %q, stderr %q", got, stdout.String(), stderr.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the interrupted pull does not end")
	}
}

func TestExitCodes(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct {
		args string
		want int
	}{
		{"--version", exitOK}, {"pull --list", exitOK}, {"", exitOK},
		{"frobnicate", exitUsage}, {"pull", exitUsage}, {"pull --from", exitUsage}, {"doctor extra", exitUsage}, {"study", exitUsage},
		{"pull nothing-like-it", exitFailure}, {"pull --offline ml-1m", exitFailure},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(strings.Fields(c.args), &stdout, &stderr); got != c.want {
			t.Errorf("lsat %s: exit code %d, want %d; stderr: %s", c.args, got, c.want, stderr.String())
		}
		if lines := strings.Count(stderr.String(), "\n"); (c.want != exitOK) != (lines == 1) {
			t.Errorf("lsat %s says on stderr: %q; want one line if it fails and none otherwise", c.args, stderr.String())
		}
	}
}

func TestLineProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	p := &lineProgress{w: &b, every: 5 * time.Second, now: func() time.Time { return now }}
	p.Begin("x.bin", 1<<20, 11<<20)
	for _, s := range []struct {
		at   int
		done int64
	}{{1, 2 << 20}, {5, 6 << 20}, {6, 7 << 20}, {10, 11 << 20}} {
		now = time.Unix(int64(s.at), 0)
		p.Set(s.done)
	}
	want := "getting x.bin, 11.0 MiB, of which 1.0 MiB are here already\nx.bin: 6.0 MiB of 11.0 MiB, 5s left\nx.bin: 11.0 MiB of 11.0 MiB, 0s left\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestBarsDrawAndEnd(t *testing.T) {
	var b bytes.Buffer
	p := &barProgress{w: &b}
	p.Begin("x.bin", 10, 100)
	p.Set(50)
	p.Set(5) // started over
	p.Note("a note")
	p.End(nil)
	p.Begin("unknown size", 0, 0)
	p.Set(1000)
	p.End(os.ErrClosed)
	p.Note("the end")
	if !strings.Contains(b.String(), "a note") || !strings.HasSuffix(b.String(), "the end\n") {
		t.Errorf("got %q", b.String())
	}
}
