// Package mmap maps files into memory for reading.
package mmap

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrEmpty is in the chain of the error about a file without a single byte.
var ErrEmpty = errors.New("empty file")

// File is a whole file in memory, read-only. Writing to Data crashes the program; so does reading pages that another process
// cut off after Open, as with every mapping.
type File struct {
	Path string
	Data []byte

	once  sync.Once
	unmap func() error
	err   error
}

// Open maps a regular file. Where the system has no mappings it reads the file.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch size := st.Size(); {
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	case size == 0:
		return nil, fmt.Errorf("%s: %w", path, ErrEmpty)
	case size != int64(int(size)):
		return nil, fmt.Errorf("%s: %d bytes are more than this machine can address", path, size)
	}
	data, unmap, err := mapFile(f, int(st.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: map into memory: %w", path, err)
	}
	return &File{Path: path, Data: data, unmap: unmap}, nil
}

// Close releases the memory. Data must not be used afterwards. It may be called more than once.
func (f *File) Close() error {
	f.once.Do(func() {
		f.Data = nil
		f.err = f.unmap()
	})
	return f.err
}

// Forget lets go of the memory that reading a part of Data has taken; what is read again is read from the file again. The part must
// lie within Data of a file that is open. Where files are not mapped it does nothing.
func Forget(part []byte) { forget(part) }
