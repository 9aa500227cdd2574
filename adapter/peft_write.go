package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lsat/internal/atomicfile"
	"lsat/internal/safetensors"
)

// ErrExists is in the chain of Write's error when the directory is already there and not empty.
var ErrExists = errors.New("already exists")

// Write writes the adapter as a PEFT directory that PEFT, vLLM and others load: adapter_config.json and adapter_model.safetensors (F32).
// The directory appears whole or not at all. It fails with ErrExists where something is already there; Replace does not.
func Write(dir string, a *Adapter) error { return write(dir, a, false) }

// Replace is Write, but takes the place of a directory that is already there.
func Replace(dir string, a *Adapter) error { return write(dir, a, true) }

func write(dir string, a *Adapter, replace bool) error {
	if err := a.Validate(); err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	dir = filepath.Clean(dir)
	if !replace {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return fmt.Errorf("adapter: write %s: %w", dir, ErrExists)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("adapter: write %s: %w", dir, err)
		}
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("adapter: write %s: %w", dir, err)
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("adapter: write %s: %w", dir, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // nothing is left there once it has its name
	if err := fill(tmp, a); err != nil {
		return fmt.Errorf("adapter: write %s: %w", dir, err)
	}
	if err := place(tmp, dir, replace); err != nil {
		return fmt.Errorf("adapter: write %s: %w", dir, err)
	}
	if err := atomicfile.SyncDir(parent); err != nil {
		return fmt.Errorf("adapter: write %s: %w", dir, err)
	}
	return nil
}

// fill writes both files into dir and syncs them.
func fill(dir string, a *Adapter) error {
	if err := os.Chmod(dir, 0o755); err != nil { // temporary directories are private
		return err
	}
	text, err := json.MarshalIndent(newPEFTConfig(a), "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, configFile), 0o644, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	}); err != nil {
		return err
	}
	var tensors []safetensors.Tensor
	for _, k := range a.Keys() {
		f, name := a.Layers[k], "base_model.model."+k.path()
		tensors = append(tensors,
			safetensors.Tensor{Name: name + ".lora_A.weight", Shape: []int{f.A.Rows, f.A.Cols}, Data: f.A.Data},
			safetensors.Tensor{Name: name + ".lora_B.weight", Shape: []int{f.B.Rows, f.B.Cols}, Data: f.B.Data})
	}
	return atomicfile.Write(filepath.Join(dir, tensorsFile), 0o644, func(w io.Writer) error {
		return safetensors.Write(w, tensors, map[string]string{"format": "pt"})
	})
}

// place renames tmp to dir.
func place(tmp, dir string, replace bool) error {
	_ = syscall.Rmdir(dir) // an empty directory holds nothing to lose; anything else stays
	err := os.Rename(tmp, dir)
	taken := errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, fs.ErrExist)
	if !taken {
		return err
	}
	if !replace {
		return ErrExists
	}
	if exchange(tmp, dir) {
		return os.RemoveAll(tmp) // now the old one
	}
	old := tmp + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
