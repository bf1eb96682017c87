/* A log that is told records and says acks: log run DIRECTORY [no-sync], and log dump DIRECTORY, which prints what is there.
 *
 * One file of frames: length and checksum in eight bytes each, then the record as it was told. The checksum starts from
 * the place of the frame. With no-sync it says ack before the record is durable: `chaoswal explore` finds what that loses.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct head { uint64_t length, checksum; };

static void must(int good, const char *what) {
    if (!good) { perror(what); exit(1); }
}

static uint64_t checksum(const char *data, uint64_t length, uint64_t place) {
    uint64_t sum = 14695981039346656037u ^ (place + 1);
    for (uint64_t i = 0; i < length; i++) sum = (sum ^ (unsigned char)data[i]) * 1099511628211u;
    return sum ^ length;
}

/* Where the good frames end; each is printed if it is wanted. */
static off_t scan(int file, int printing) {
    struct stat state;
    must(fstat(file, &state) == 0, "fstat");
    char *data = malloc((size_t)state.st_size + 1);
    must(data && pread(file, data, (size_t)state.st_size, 0) == state.st_size, "read");
    uint64_t at = 0, size = (uint64_t)state.st_size;
    struct head head;
    while (at + sizeof head <= size) {
        memcpy(&head, data + at, sizeof head);
        const char *record = data + at + sizeof head;
        if (head.length > size - at - sizeof head || head.checksum != checksum(record, head.length, at)) break;
        if (printing) printf("%.*s\n", (int)head.length, record);
        at += sizeof head + head.length;
    }
    free(data);
    return (off_t)at;
}

static int dump(int directory) {
    int file = openat(directory, "log", O_RDONLY);
    if (file >= 0) scan(file, 1);
    return 0;
}

static int run(int directory, int syncs) {
    int file = openat(directory, "log", O_RDWR | O_CREAT, 0644);
    must(file >= 0 && fsync(directory) == 0, "log");
    off_t end = scan(file, 0);
    must(ftruncate(file, end) == 0 && fsync(file) == 0, "truncate");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    for (unsigned long count = 1; (length = getline(&line, &room, stdin)) > 0; count++) {
        length -= line[length - 1] == '\n';
        struct head head = {(uint64_t)length, checksum(line, (uint64_t)length, (uint64_t)end)};
        must(pwrite(file, &head, sizeof head, end) == sizeof head, "write");
        must(pwrite(file, line, (size_t)length, end + (off_t)sizeof head) == length, "write");
        if (syncs) must(fdatasync(file) == 0, "sync");
        end += (off_t)sizeof head + length;
        printf("ack %lu\n", count);
        fflush(stdout);
    }
    return 0;
}

int main(int count, char **words) {
    if (count < 3) { fprintf(stderr, "log run|dump DIRECTORY [no-sync]\n"); return 2; }
    int directory = open(words[2], O_RDONLY | O_DIRECTORY);
    must(directory >= 0, words[2]);
    if (strcmp(words[1], "dump") == 0) return dump(directory);
    return run(directory, count < 4 || strcmp(words[3], "no-sync") != 0);
}
