package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLockIsExclusiveAndFreed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "x.lock")
	a, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("second lock: %v, want ErrLocked", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	waited := 0
	if _, err := Acquire(ctx, path, func() { waited++; cancel() }); !errors.Is(err, context.Canceled) || waited != 1 {
		t.Fatalf("Acquire of a held lock: %v after %d notices", err, waited)
	}
	got := make(chan error, 1)
	held := make(chan struct{})
	go func() {
		b, err := Acquire(context.Background(), path, func() { close(held) })
		got <- errors.Join(err, b.Unlock())
	}()
	<-held
	if err := errors.Join(a.Unlock(), a.Unlock()); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatalf("the waiting lock: %v", err)
	}
}
