package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lsat/internal/filelock"
)

// sumsName is the file, in the cache, that records the sum of each file that nobody pinned, as of its first download.
const sumsName = "first-seen-sums.json"

// trustFirst compares the unpinned files with the sums recorded when they were first seen, and records those that are new. It is
// weaker than a pinned sum (the first download may already be wrong), but a set that changes later does not go unnoticed.
func trustFirst(root, entry string, files []manifestFile) error {
	path := filepath.Join(root, sumsName)
	lock, err := filelock.Acquire(context.Background(), path+".lock", nil)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	seen := map[string]string{}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &seen); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	added := false
	for _, f := range files {
		if f.Pinned {
			continue
		}
		key := entry + "/" + f.Name
		switch old, ok := seen[key]; {
		case !ok:
			seen[key], added = f.SHA256, true
		case old != f.SHA256:
			return fmt.Errorf("%s: %w: SHA-256 is %s, was %s when first downloaded (if it is meant to have changed, remove its line from %s)",
				f.Name, ErrChecksum, f.SHA256, old, path)
		}
	}
	if !added {
		return nil
	}
	return writeJSON(path, seen)
}
