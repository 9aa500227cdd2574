package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	blockSize = 1 << 18
	// longestLine bounds the memory that one hostile line can take; the longest Amazon metadata lines have some hundred kB.
	longestLine = 16 << 20
)

// source reads a plain or gzip file line by line in large blocks. It exists because this is the hot path of every reader: no
// allocation and no copy per line.
type source struct {
	path string
	file *os.File
	in   io.Reader
	buf  []byte
	// buf[lo:hi] is what is read and not yet returned; start is where in it the search for the next line end goes on.
	lo, hi, start int
	// mark is where the line that next returned last starts in buf.
	mark int
	eof  bool
	// line is the number of the line that next returned last.
	line int
	// size and read count bytes of the file on disk.
	size, read int64
	// plain says that these are also bytes of text.
	plain    bool
	progress func(done, total int64)
	ctx      context.Context
}

// counted passes reads on to the file, and stops them when the work is cancelled.
type counted struct{ s *source }

func (c counted) Read(p []byte) (int, error) {
	if err := c.s.ctx.Err(); err != nil {
		return 0, context.Cause(c.s.ctx)
	}
	n, err := c.s.file.Read(p)
	c.s.read += int64(n)
	if c.s.progress != nil {
		c.s.progress(c.s.read, c.s.size)
	}
	return n, err
}

// openSource opens a file; gzip is recognized by its magic bytes, not by its name.
func openSource(ctx context.Context, path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, file: f, ctx: ctx, plain: true, buf: make([]byte, blockSize)}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a directory, not a file")
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.size = st.Size()
	s.in = counted{s}
	if err := s.unwrap(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// unwrap looks at the first bytes: gzip, a byte order mark, or something that is no text.
func (s *source) unwrap() error {
	head := make([]byte, 4)
	n, err := io.ReadFull(s.in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	head = head[:n]
	s.in = io.MultiReader(bytes.NewReader(head), s.in)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(s.in)
		if err != nil {
			return fmt.Errorf("%s: gzip: %w", s.path, err)
		}
		s.in, s.plain = z, false
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return fmt.Errorf("%s: %w: this is a zip archive; unpack it and open the folder", s.path, ErrUnknownFormat)
	}
	return nil
}

func (s *source) close() { _ = s.file.Close() }

// next returns the next line without its end; it is valid until the following call. At the end it returns io.EOF.
func (s *source) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(s.buf[s.start:s.hi], '\n'); i >= 0 {
			line := s.buf[s.lo : s.start+i]
			s.mark = s.lo
			s.lo = s.start + i + 1
			s.start = s.lo
			return s.tidy(line), nil
		}
		s.start = s.hi
		if s.eof {
			if s.lo == s.hi {
				return nil, io.EOF
			}
			line := s.buf[s.lo:s.hi]
			s.mark = s.lo
			s.lo, s.start = s.hi, s.hi
			return s.tidy(line), nil
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

func (s *source) tidy(line []byte) []byte {
	s.line++
	return tidy(line, s.line)
}

// tidy takes a carriage return off the end of a line, and a byte order mark off the start of the first one.
func tidy(line []byte, number int) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line
}

// block appends whole lines with their ends to text, about blockSize bytes of them. With io.EOF they are the last ones, of which the very last may have no
// end; with another error they are those before the fault.
func (s *source) block(text []byte) ([]byte, error) {
	for {
		if i := bytes.LastIndexByte(s.buf[s.start:s.hi], '\n'); i >= 0 {
			end := s.start + i + 1
			text = append(text, s.buf[s.lo:end]...)
			s.lo, s.start = end, end
			s.line += bytes.Count(text, []byte{'\n'})
			return text, nil
		}
		s.start = s.hi
		if s.eof {
			if s.lo < s.hi {
				s.line++
			}
			text = append(text, s.buf[s.lo:s.hi]...)
			s.lo = s.hi
			return text, io.EOF
		}
		if err := s.fill(); err != nil {
			return text, err
		}
	}
}

func (s *source) fill() error {
	if s.lo > 0 {
		copy(s.buf, s.buf[s.lo:s.hi])
		s.hi -= s.lo
		s.start -= s.lo
		s.lo = 0
	}
	if s.hi == len(s.buf) {
		if len(s.buf) >= longestLine {
			return &LineError{File: s.path, Line: s.line + 1, Reason: fmt.Sprintf("the line is longer than %d MiB", longestLine>>20)}
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.in.Read(s.buf[s.hi:])
	s.hi += n
	if errors.Is(err, io.EOF) {
		s.eof = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: after line %d: %w", s.path, s.line, err)
	}
	return nil
}

// peek returns the next line and leaves it to be read.
func (s *source) peek() ([]byte, error) {
	line, err := s.next()
	if err != nil {
		return nil, err
	}
	kept := append([]byte(nil), line...)
	s.lo, s.start = s.mark, s.mark
	s.line--
	return kept, nil
}
