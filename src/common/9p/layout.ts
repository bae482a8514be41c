/**
 * 9P2000.L, the file protocol of Linux' v9fs. Integers are little-endian; s is le16 length and that many bytes.
 *
 *   0    le32   size       of the whole message
 *   4    u8     type       T_*; an answer has the next number, or R_LERROR
 *   5    le16   tag        the same in request and answer
 *   7           what the type has:
 *
 *   T_STATFS       fid4                                    type4 bsize4 blocks8 bfree8 bavail8 files8 ffree8 fsid8 len4
 *   T_LOPEN        fid4 flags4                             qid13 iounit4
 *   T_LCREATE      fid4 name[s] flags4 mode4 gid4          qid13 iounit4
 *   T_SYMLINK      fid4 name[s] target[s] gid4             qid13
 *   T_MKNOD        fid4 name[s] mode4 major4 minor4 gid4   qid13
 *   T_RENAME       fid4 dfid4 name[s]
 *   T_READLINK     fid4                                    target[s]
 *   T_GETATTR      fid4 mask8                              valid8 qid13 mode4 uid4 gid4 nlink8 rdev8 size8 blksize8
 *                                                          blocks8, seconds8 and nanoseconds8 of access, change of
 *                                                          content, change of attributes, birth; gen8 version8
 *   T_SETATTR      fid4 valid4 mode4 uid4 gid4 size8 atime16 mtime16
 *   T_XATTRWALK    fid4 newfid4 name[s]                    size8
 *   T_XATTRCREATE  fid4 name[s] size8 flags4
 *   T_READDIR      fid4 offset8 count4                     count4 and entries: qid13 offset8 type1 name[s]
 *   T_FSYNC        fid4 datasync4
 *   T_LOCK         fid4 type1 flags4 start8 length8 proc4 client[s]   status1
 *   T_GETLOCK      fid4 type1 start8 length8 proc4 client[s]          type1 start8 length8 proc4 client[s]
 *   T_LINK         dfid4 fid4 name[s]
 *   T_MKDIR        fid4 name[s] mode4 gid4                 qid13
 *   T_RENAMEAT     olddir4 name[s] newdir4 name[s]
 *   T_UNLINKAT     dfid4 name[s] flags4
 *   T_VERSION      msize4 version[s]                       msize4 version[s]
 *   T_ATTACH       fid4 afid4 uname[s] aname[s] uid4       qid13
 *   T_FLUSH        oldtag2
 *   T_WALK         fid4 newfid4 count2 name[s]...          count2 qid13...
 *   T_READ         fid4 offset8 count4                     count4 data
 *   T_WRITE        fid4 offset8 count4 data                count4
 *   T_CLUNK, T_REMOVE   fid4
 *   R_LERROR                                               errno4, a number of Linux
 *
 * A qid is u8 kind (QID_*), le32 version, le64 number of the file.
 */
export const R_LERROR = 7;
export const T_STATFS = 8;
export const T_LOPEN = 12;
export const T_LCREATE = 14;
export const T_SYMLINK = 16;
export const T_MKNOD = 18;
export const T_RENAME = 20;
export const T_READLINK = 22;
export const T_GETATTR = 24;
export const T_SETATTR = 26;
export const T_XATTRWALK = 30;
export const T_XATTRCREATE = 32;
export const T_READDIR = 40;
export const T_FSYNC = 50;
export const T_LOCK = 52;
export const T_GETLOCK = 54;
export const T_LINK = 70;
export const T_MKDIR = 72;
export const T_RENAMEAT = 74;
export const T_UNLINKAT = 76;
export const T_VERSION = 100;
export const T_AUTH = 102;
export const T_ATTACH = 104;
export const T_FLUSH = 108;
export const T_WALK = 110;
export const T_READ = 116;
export const T_WRITE = 118;
export const T_CLUNK = 120;
export const T_REMOVE = 122;

export const HEADER_BYTES = 7;
export const HEADER_TYPE = 4;
export const HEADER_TAG = 5;
export const ERROR_BYTES = HEADER_BYTES + 4;
export const WRITE_HEADER_BYTES = HEADER_BYTES + 16;

/** Negotiated is at most this: more than Linux asks for. */
export const MESSAGE_BYTES_MAXIMUM = 512 * 1024;
/** Of a request that is no write: the longest that is of use has sixteen names of 255 bytes, or a link's target. */
export const PLAIN_REQUEST_BYTES_MAXIMUM = 12 * 1024;
export const NAME_BYTES_MAXIMUM = 255;
/** From the shared folder on, with slashes. */
export const PATH_BYTES_MAXIMUM = 4096;
export const WALK_NAMES_MAXIMUM = 16;

export const QID_FOLDER = 0x80;
export const QID_LINK = 0x02;
export const QID_FILE = 0x00;

/** Flags of T_LOPEN and T_LCREATE: Linux' own, as most of its architectures have them. */
export const OPEN_ACCESS = 0o3;
export const OPEN_WRITE = 0o1;
export const OPEN_READ_WRITE = 0o2;
export const OPEN_EXCLUSIVE = 0o200;
export const OPEN_TRUNCATE = 0o1000;
export const OPEN_APPEND = 0o2000;
/** What an open file is opened again with. */
export const OPEN_LASTING = OPEN_ACCESS | OPEN_APPEND;

/** Valid bits of T_SETATTR. */
export const SET_MODE = 0x01;
export const SET_SIZE = 0x08;
export const SET_ATIME = 0x10;
export const SET_MTIME = 0x20;
export const SET_ATIME_GIVEN = 0x80;
export const SET_MTIME_GIVEN = 0x100;

/** Flags of T_UNLINKAT. */
export const UNLINK_FOLDER = 0x200;
